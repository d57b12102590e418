{{ config(materialized='table') }}
select one, other, round(ST_DistanceSphere(place, other_place) / 1000) as km
from {{ ref('pairs') }}
