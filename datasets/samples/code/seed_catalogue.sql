-- Seeds of a plant library: lots, where they were gathered, and how well they still sprout.
CREATE TABLE species (
  species_id   INTEGER PRIMARY KEY,
  genus        TEXT NOT NULL,
  epithet      TEXT NOT NULL,
  hardy_to_c   NUMERIC(4, 1),
  UNIQUE (genus, epithet)
);

CREATE TABLE lot (
  lot_id       INTEGER PRIMARY KEY,
  species_id   INTEGER NOT NULL REFERENCES species (species_id),
  gathered_on  DATE NOT NULL,
  site         TEXT NOT NULL,
  altitude_m   INTEGER CHECK (altitude_m BETWEEN -430 AND 8849),
  grams        NUMERIC(8, 2) NOT NULL CHECK (grams > 0)
);

CREATE TABLE sprouting_test (
  lot_id       INTEGER NOT NULL REFERENCES lot (lot_id),
  tested_on    DATE NOT NULL,
  num_sown     INTEGER NOT NULL CHECK (num_sown > 0),
  num_sprouted INTEGER NOT NULL CHECK (num_sprouted BETWEEN 0 AND num_sown),
  PRIMARY KEY (lot_id, tested_on)
);

CREATE INDEX lot_by_species ON lot (species_id, gathered_on DESC);

-- Lots whose last test fell below sixty per cent, the weakest first.
WITH last_test AS (
  SELECT t.*, ROW_NUMBER() OVER (PARTITION BY t.lot_id ORDER BY t.tested_on DESC) AS place
  FROM sprouting_test AS t
)
SELECT s.genus || ' ' || s.epithet AS name,
       l.lot_id,
       l.site,
       ROUND(100.0 * x.num_sprouted / x.num_sown, 1) AS percent,
       x.tested_on
FROM last_test AS x
JOIN lot AS l ON l.lot_id = x.lot_id
JOIN species AS s ON s.species_id = l.species_id
WHERE x.place = 1 AND x.num_sprouted < 0.6 * x.num_sown
ORDER BY percent, l.lot_id;

UPDATE lot SET grams = grams - 0.25
WHERE lot_id IN (SELECT lot_id FROM sprouting_test WHERE tested_on = CURRENT_DATE) AND grams > 0.25;
