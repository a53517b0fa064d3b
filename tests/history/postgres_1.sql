-- The tables of version 1, as the monitor made them, with the partitions of two hours.
CREATE SCHEMA health_monitor;
SET search_path = health_monitor;
CREATE TABLE schema_version (version bigint NOT NULL);
INSERT INTO schema_version VALUES (1);
CREATE TABLE service (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE container (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE run (started timestamptz PRIMARY KEY, until timestamptz NOT NULL);
CREATE TABLE result (at timestamptz NOT NULL, service int NOT NULL, kind text NOT NULL, status text NOT NULL,
                     duration_us bigint, attempts int NOT NULL, reason text NOT NULL,
                     PRIMARY KEY (service, at)) PARTITION BY RANGE (at);
CREATE TABLE minute (at timestamptz NOT NULL, service int NOT NULL, checks bigint NOT NULL, failures bigint NOT NULL,
                     unmeasured bigint NOT NULL, up_ms bigint NOT NULL, down_ms bigint NOT NULL, timed bigint NOT NULL,
                     min_us bigint NOT NULL, max_us bigint NOT NULL, sum_us bigint NOT NULL, p50_us float8,
                     p95_us float8, p99_us float8, sketch bytea, PRIMARY KEY (service, at)) PARTITION BY RANGE (at);
CREATE TABLE hour (LIKE minute, PRIMARY KEY (service, at)) PARTITION BY RANGE (at);
CREATE TABLE usage_sample (at timestamptz NOT NULL, container int NOT NULL, body bytea NOT NULL,
                           PRIMARY KEY (container, at));
CREATE TABLE usage_minute (at timestamptz NOT NULL, container int NOT NULL, samples bigint NOT NULL,
                           cpu_samples bigint NOT NULL, cpu_millicores_sum bigint NOT NULL,
                           cpu_millicores_max bigint NOT NULL, memory_sum bigint NOT NULL, memory_max bigint NOT NULL,
                           memory_limit bigint NOT NULL, network_received bigint NOT NULL, network_sent bigint NOT NULL,
                           block_read bigint NOT NULL, block_written bigint NOT NULL,
                           PRIMARY KEY (container, at)) PARTITION BY RANGE (at);
CREATE TABLE usage_hour (LIKE usage_minute, PRIMARY KEY (container, at)) PARTITION BY RANGE (at);
CREATE TABLE change (service int NOT NULL, at timestamptz NOT NULL, old text NOT NULL, new text NOT NULL,
                     reason text NOT NULL, unknown_since timestamptz, PRIMARY KEY (service, at));
CREATE INDEX change_at ON change (at);
CREATE TABLE incident (id bigint PRIMARY KEY, service int NOT NULL, kind text NOT NULL, started timestamptz NOT NULL,
                       ended timestamptz, body text NOT NULL);
CREATE INDEX incident_service ON incident (service, id);
CREATE INDEX incident_open ON incident (id) WHERE ended IS NULL;
CREATE TABLE evidence (incident bigint NOT NULL, at timestamptz NOT NULL, what text NOT NULL, body text NOT NULL,
                       PRIMARY KEY (incident, at, what));
CREATE TABLE event (container text NOT NULL, at timestamptz NOT NULL, what text NOT NULL, body text NOT NULL,
                    PRIMARY KEY (container, at, what));
CREATE INDEX event_at ON event (at);
CREATE TABLE saved (service int PRIMARY KEY, at timestamptz NOT NULL, state text NOT NULL);
CREATE TABLE progress (job text PRIMARY KEY, slot bigint NOT NULL);
CREATE TABLE late (hour bigint PRIMARY KEY);
CREATE TABLE result_472800 PARTITION OF result FOR VALUES FROM ('2023-12-09T00:00:00Z') TO ('2023-12-09T01:00:00Z');
CREATE TABLE result_472801 PARTITION OF result FOR VALUES FROM ('2023-12-09T01:00:00Z') TO ('2023-12-09T02:00:00Z');
CREATE TABLE minute_19700 PARTITION OF minute FOR VALUES FROM ('2023-12-09T00:00:00Z') TO ('2023-12-10T00:00:00Z');
CREATE TABLE hour_656 PARTITION OF hour FOR VALUES FROM ('2023-11-18T00:00:00Z') TO ('2023-12-18T00:00:00Z');

-- Two services, the first of whose hours is rolled up; one of them went down in the second.
INSERT INTO service (name) VALUES ('db'), ('kafka');
INSERT INTO run VALUES ('2023-12-09T00:00:00Z', '2023-12-09T01:30:00Z');
INSERT INTO progress VALUES ('rolled', 472801);
INSERT INTO result (at, service, kind, status, duration_us, attempts, reason)
    SELECT '2023-12-09T00:00:00Z'::timestamptz + tick * interval '10 seconds', service, 'pass', 'healthy', 1000 + tick, 1,
           'answered'
    FROM generate_series(0, 539) AS tick, generate_series(1, 2) AS service;
UPDATE result SET kind = 'fail', status = 'unhealthy', duration_us = NULL, attempts = 3, reason = 'refused'
    WHERE service = 2 AND at >= '2023-12-09T01:20:00Z';
INSERT INTO minute SELECT '2023-12-09T00:00:00Z'::timestamptz + number * interval '1 minute', service, 6, 0, 0, 60000, 0,
                          6, 1000 + 6 * number, 1005 + 6 * number, 6015 + 36 * number
    FROM generate_series(0, 59) AS number, generate_series(1, 2) AS service;
INSERT INTO hour SELECT '2023-12-09T00:00:00Z', service, 360, 0, 0, 3600000, 0, 360, 1000, 1359, 424620, 1180, 1340, 1355
    FROM generate_series(1, 2) AS service;
INSERT INTO change VALUES (1, '2023-12-09T00:00:00Z', 'unknown', 'healthy', 'answered', NULL),
                          (2, '2023-12-09T00:00:00Z', 'unknown', 'healthy', 'answered', NULL),
                          (2, '2023-12-09T01:20:00Z', 'healthy', 'unhealthy', 'refused', NULL);
INSERT INTO saved VALUES (1, '2023-12-09T01:30:00Z', '{"state":"kept"}');
