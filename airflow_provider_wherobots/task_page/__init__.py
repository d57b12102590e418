"""The page ``Wherobots`` beside a task instance, in Airflow 3.1 and later.

``plugin.py`` tells Airflow of the page. ``static/page.html`` asks Airflow's REST API in the user's browser.
"""
