{% for model in [ref('merged'), ref('deleted_and_inserted')] %}
({{ differs(model, 'station, day, celsius', [
  "(1, date '2026-07-01', 20.5), (2, date '2026-07-01', 11.0)",
  "(1, date '2026-07-01', 21.0), (2, date '2026-07-01', 11.0), (1, date '2026-07-02', 22.0), (2, date '2026-07-02', 12.5)",
]) }})
{{ '' if loop.last else 'union all' }}
{% endfor %}
