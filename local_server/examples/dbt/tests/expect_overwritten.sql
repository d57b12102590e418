{{ differs(ref('overwritten'), 'station, day, celsius', [
  "(1, date '2026-07-01', 20.5), (2, date '2026-07-01', 11.0)",
  "(1, date '2026-07-01', 21.0), (1, date '2026-07-02', 22.0), (2, date '2026-07-02', 12.5)",
]) }}
