{{ differs(ref('warmest'), 'day, celsius, name, place', [
  "(date '2026-07-01', 20.5, 'Zürich', 'SRID=4326;POINT (8.55 47.37)')",
  "(date '2026-07-01', 21.0, 'Zürich', 'SRID=4326;POINT (8.55 47.37)'),
   (date '2026-07-02', 22.0, 'Zürich', 'SRID=4326;POINT (8.55 47.37)')",
]) }}
