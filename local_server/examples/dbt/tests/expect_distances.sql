{{ differs(ref('distances'), 'one, other, km',
  "('Zürich', 'Reykjavík', 2620), ('Zürich', 'Ollie\\'s Hut', 1), ('Reykjavík', 'Ollie\\'s Hut', 2619)") }}
