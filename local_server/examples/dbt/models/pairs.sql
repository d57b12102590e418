{{ config(materialized='ephemeral') }}
select a.name as one, b.name as other, a.place as place, b.place as other_place
from {{ ref('stations') }} as a
join {{ ref('stations') }} as b on a.id < b.id
