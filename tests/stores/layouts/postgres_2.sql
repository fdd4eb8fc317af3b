-- A schema as layout 2 had it, with what a store would have written. Never changed.
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
CREATE SCHEMA kept;
CREATE TABLE kept.layouts (
    part text,
    version integer,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, version)
);
CREATE TABLE kept.records (
    user_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    kind text COLLATE "C" NOT NULL,
    conversation text COLLATE "C" NOT NULL,
    body json NOT NULL,
    text text COLLATE "C" NOT NULL,
    at double precision NOT NULL,
    words bigint[],
    words_version text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, id)
);
ALTER TABLE kept.records ALTER COLUMN words SET STORAGE MAIN;
CREATE INDEX records_by_seq ON kept.records (user_id, seq);
CREATE INDEX records_by_kind ON kept.records (user_id, kind, seq);
CREATE INDEX records_by_conversation ON kept.records (user_id, conversation, kind, seq);
CREATE INDEX records_spoken ON kept.records (user_id, conversation) WHERE words IS NOT NULL;
CREATE INDEX records_by_word ON kept.records USING gin (words)
    WITH (gin_pending_list_limit = 256) WHERE words IS NOT NULL;
CREATE INDEX records_by_reading ON kept.records (user_id, words_version)
    WHERE words IS NOT NULL;
CREATE TABLE kept.vectors (
    user_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    conversation text COLLATE "C" NOT NULL,
    vector public.vector NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (toast_tuple_target = 8160);
CREATE INDEX vectors_by_conversation ON kept.vectors (user_id, conversation);
INSERT INTO kept.layouts (part, version) VALUES ('ledger', 1), ('ledger', 2), ('index', 1);
INSERT INTO kept.records (user_id, id, kind, conversation, body, text, at, words, words_version) VALUES
    ('turnfold:store', 'embedding', 'store', '', '{"model": "m", "dimension": 2}', '', 0.0, NULL, ''),
    ('ada', 'p1', 'passage', 'c', '{"said": "grüße"}', 'the boathouse key', 12.5,
        '{-7738040778679696551,3756764038456617584}', '1/3.1.0'),
    ('ada', 'p2', 'passage', 'd', 'null', 'the barrel', 13.5,
        '{-1653973074292221594}', '1/3.1.0'),
    ('ada', 'vector:p1', 'vector', 'c',
        '{"model": "m", "dimension": 2, "float32": "mpkZP83MTD8="}', '', 0.0, NULL, '');
INSERT INTO kept.vectors (user_id, id, conversation, vector) VALUES ('ada', 'p1', 'c', '[0.6,0.8]');
