-- A file as layout 4 had it, with what a store would have written. Never changed.
CREATE TABLE users (
    owner INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL UNIQUE,
    rewrites INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    conversation TEXT NOT NULL,
    body TEXT NOT NULL,
    text TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (owner, id)
);
CREATE INDEX records_by_owner ON records (owner);
CREATE INDEX records_by_kind ON records (owner, kind);
CREATE INDEX records_by_conversation ON records (owner, conversation);
CREATE INDEX records_by_place ON records (owner, conversation, kind);
CREATE TABLE vectors (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    vector BLOB NOT NULL,
    UNIQUE (owner, id)
);
CREATE INDEX vectors_by_owner ON vectors (owner);
CREATE VIEW spoken AS
SELECT seq, 'u' || owner || ' c' || hex(conversation) AS place, turnfold_terms(text) AS text
FROM records WHERE text <> '';
CREATE VIRTUAL TABLE words USING fts5 (
    place, text, content = 'spoken', content_rowid = 'seq', tokenize = 'ascii'
);
PRAGMA application_id = 1952869476;
PRAGMA user_version = 4;
INSERT INTO users (user_id) VALUES ('turnfold:store'), ('ada');
INSERT INTO records (owner, id, kind, conversation, body, text, at) VALUES
    (1, 'embedding', 'store', '', '{"model": "m", "dimension": 2}', '', 0.0),
    (2, 'p1', 'passage', 'c', '{"said": "grüße"}', 'the boathouse key', 12.5),
    (2, 'p2', 'passage', 'd', 'null', 'the barrel', 13.5),
    (2, 'vector:p1', 'vector', 'c',
        '{"model": "m", "dimension": 2, "float32": "mpkZP83MTD8="}', '', 0.0);
INSERT INTO vectors (owner, id, conversation, vector) VALUES (2, 'p1', 'c', x'9a99193fcdcc4c3f');
INSERT INTO words (rowid, place, text) VALUES (2, 'u2 c63', 'boathous key'), (3, 'u2 c64', 'barrel');
CREATE TABLE words_version (version TEXT NOT NULL);
INSERT INTO words_version VALUES ('1/3.1.0');
CREATE TRIGGER words_put AFTER INSERT ON records WHEN new.text <> '' BEGIN
    INSERT INTO words (rowid, place, text) VALUES (
        new.seq, 'u' || new.owner || ' c' || hex(new.conversation), turnfold_terms(new.text)
    );
END;
CREATE TRIGGER words_delete AFTER DELETE ON records WHEN old.text <> '' BEGIN
    INSERT INTO words (words, rowid, place, text) VALUES (
        'delete', old.seq, 'u' || old.owner || ' c' || hex(old.conversation),
        turnfold_terms(old.text)
    );
END;
