-- The nine tables of the GxP artifact store.
--
-- Safe to run twice: every statement names what it creates and passes over what is there.
-- Names are unqualified, so the tables are installed in the current schema.
-- Every foreign-key column has an index that leads with it: without one, deleting a repository
-- would read each artifact table in full.

CREATE TABLE IF NOT EXISTS repositories (
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    name            text        NOT NULL,
    git_url         text        NOT NULL,
    owner           text        NOT NULL,
    repo            text        NOT NULL,
    default_branch  text        DEFAULT 'main',
    is_active       boolean     DEFAULT true,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    last_scanned_at timestamptz,
    CONSTRAINT repositories_id_pkey PRIMARY KEY (id),
    CONSTRAINT repositories_git_url_key UNIQUE (git_url)
);
COMMENT ON TABLE repositories IS 'One source repository that is scanned for GxP artifacts.';

CREATE TABLE IF NOT EXISTS scans (
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    repository_id   uuid        NOT NULL,
    status          text        NOT NULL,
    commit_sha      text        NOT NULL,
    started_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    duration_ms     integer,
    artifacts_found jsonb,
    error_message   text,
    CONSTRAINT scans_id_pkey PRIMARY KEY (id),
    CONSTRAINT scans_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT scans_status_check CHECK (status IN ('pending', 'in_progress', 'completed', 'failed')),
    CONSTRAINT scans_duration_ms_check CHECK (duration_ms >= 0)
);
CREATE INDEX IF NOT EXISTS scans_repository_id_started_at_idx ON scans (repository_id, started_at DESC);
COMMENT ON TABLE scans IS 'One pass over a repository at one commit, with what it found or why it failed.';

CREATE TABLE IF NOT EXISTS system_contexts (
    id                 uuid NOT NULL DEFAULT gen_random_uuid(),
    repository_id      uuid NOT NULL,
    gxp_id             text NOT NULL,
    project_name       text NOT NULL,
    version            text NOT NULL,
    gxp_risk_rating    text NOT NULL,
    validation_status  text NOT NULL,
    intended_use       text,
    regulatory_context text,
    markdown_content   text,
    CONSTRAINT system_contexts_id_pkey PRIMARY KEY (id),
    CONSTRAINT system_contexts_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT system_contexts_repository_id_gxp_id_key UNIQUE (repository_id, gxp_id),
    CONSTRAINT system_contexts_gxp_risk_rating_check CHECK (gxp_risk_rating IN ('HIGH', 'MEDIUM', 'LOW')),
    CONSTRAINT system_contexts_validation_status_check
        CHECK (validation_status IN ('DRAFT', 'VALIDATED', 'DEPRECATED'))
);
COMMENT ON TABLE system_contexts IS 'One validated system as a repository declares it: its use, its risk, its state.';

CREATE TABLE IF NOT EXISTS requirements (
    id                  uuid NOT NULL DEFAULT gen_random_uuid(),
    repository_id       uuid NOT NULL,
    gxp_id              text NOT NULL,
    title               text NOT NULL,
    gxp_risk_rating     text NOT NULL,
    description         text,
    acceptance_criteria jsonb,
    validation_status   text DEFAULT 'DRAFT',
    markdown_content    text,
    CONSTRAINT requirements_id_pkey PRIMARY KEY (id),
    CONSTRAINT requirements_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT requirements_repository_id_gxp_id_key UNIQUE (repository_id, gxp_id)
);
CREATE INDEX IF NOT EXISTS requirements_gxp_risk_rating_idx ON requirements (gxp_risk_rating);
COMMENT ON TABLE requirements IS 'One requirement of a repository, with its risk rating.';

-- parent_id, here and below, holds the gxp_id of the artifact one level up. It is no foreign key:
-- that artifact may live in another repository, or be scanned later.
CREATE TABLE IF NOT EXISTS user_stories (
    id                  uuid NOT NULL DEFAULT gen_random_uuid(),
    repository_id       uuid NOT NULL,
    gxp_id              text NOT NULL,
    title               text NOT NULL,
    parent_id           text,
    as_a                text,
    i_want              text,
    so_that             text,
    acceptance_criteria jsonb,
    status              text DEFAULT 'IMPLEMENTED',
    validation_status   text DEFAULT 'DRAFT',
    markdown_content    text,
    CONSTRAINT user_stories_id_pkey PRIMARY KEY (id),
    CONSTRAINT user_stories_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT user_stories_repository_id_gxp_id_key UNIQUE (repository_id, gxp_id)
);
CREATE INDEX IF NOT EXISTS user_stories_parent_id_idx ON user_stories (parent_id);
COMMENT ON TABLE user_stories IS 'One user story; its parent is a requirement.';

CREATE TABLE IF NOT EXISTS specs (
    id                uuid NOT NULL DEFAULT gen_random_uuid(),
    repository_id     uuid NOT NULL,
    gxp_id            text NOT NULL,
    title             text NOT NULL,
    parent_id         text,
    verification_tier text NOT NULL,
    design_approach   text,
    source_files      jsonb,
    test_files        jsonb,
    validation_status text DEFAULT 'DRAFT',
    markdown_content  text,
    CONSTRAINT specs_id_pkey PRIMARY KEY (id),
    CONSTRAINT specs_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT specs_repository_id_gxp_id_key UNIQUE (repository_id, gxp_id),
    CONSTRAINT specs_verification_tier_check CHECK (verification_tier IN ('IQ', 'OQ', 'PQ'))
);
CREATE INDEX IF NOT EXISTS specs_parent_id_idx ON specs (parent_id);
CREATE INDEX IF NOT EXISTS specs_verification_tier_idx ON specs (verification_tier);
COMMENT ON TABLE specs IS 'One specification and the tier that verifies it; its parent is a user story.';

CREATE TABLE IF NOT EXISTS evidence (
    id                 uuid NOT NULL DEFAULT gen_random_uuid(),
    repository_id      uuid NOT NULL,
    gxp_id             text NOT NULL,
    title              text NOT NULL,
    parent_id          text,
    jws_payload        jsonb,
    jws_signature      text,
    signature_verified boolean,
    validation_status  text DEFAULT 'DRAFT',
    CONSTRAINT evidence_id_pkey PRIMARY KEY (id),
    CONSTRAINT evidence_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT evidence_repository_id_gxp_id_key UNIQUE (repository_id, gxp_id)
);
CREATE INDEX IF NOT EXISTS evidence_parent_id_idx ON evidence (parent_id);
COMMENT ON TABLE evidence IS 'One signed record that a specification was verified; its parent is a spec.';

CREATE TABLE IF NOT EXISTS traceability_links (
    id            uuid    NOT NULL DEFAULT gen_random_uuid(),
    repository_id uuid    NOT NULL,
    source_id     text    NOT NULL,
    target_id     text    NOT NULL,
    link_type     text    NOT NULL,
    is_valid      boolean DEFAULT true,
    CONSTRAINT traceability_links_id_pkey PRIMARY KEY (id),
    CONSTRAINT traceability_links_repository_id_fkey
        FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    CONSTRAINT traceability_links_repository_id_source_id_target_id_key
        UNIQUE (repository_id, source_id, target_id),
    CONSTRAINT traceability_links_link_type_check
        CHECK (link_type IN ('REQ_TO_US', 'US_TO_SPEC', 'SPEC_TO_EVIDENCE'))
);
CREATE INDEX IF NOT EXISTS traceability_links_source_id_idx ON traceability_links (source_id);
CREATE INDEX IF NOT EXISTS traceability_links_target_id_idx ON traceability_links (target_id);
COMMENT ON TABLE traceability_links IS 'One link between the gxp_ids of two artifacts, from the upper level to the lower.';

-- No foreign key on resource_id: the record of a deletion outlives what was deleted.
CREATE TABLE IF NOT EXISTS audit_log (
    id            uuid        NOT NULL DEFAULT gen_random_uuid(),
    "timestamp"   timestamptz NOT NULL DEFAULT now(),
    "user"        text        NOT NULL,
    action        text        NOT NULL,
    resource_type text        NOT NULL,
    resource_id   uuid        NOT NULL,
    payload_hash  text        NOT NULL,
    CONSTRAINT audit_log_id_pkey PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS audit_log_timestamp_idx ON audit_log ("timestamp");
CREATE INDEX IF NOT EXISTS audit_log_resource_type_resource_id_idx ON audit_log (resource_type, resource_id);
COMMENT ON TABLE audit_log IS 'One action by one user on one resource; rows are only ever added.';
