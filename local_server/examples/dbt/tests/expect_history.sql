{{ differs(ref('history'), 'station, day, celsius, dbt_valid_to is null', [
  "(1, date '2026-07-01', 20.5, true), (2, date '2026-07-01', 11.0, true)",
  "(1, date '2026-07-01', 20.5, false), (2, date '2026-07-01', 11.0, false),
   (1, date '2026-07-01', 21.0, true), (1, date '2026-07-02', 22.0, true), (2, date '2026-07-02', 12.5, true)",
]) }}
