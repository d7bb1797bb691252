"""Grafana dashboards as code: `dashboards.py` lists the panels, `python -m deploy.grafana` writes the JSON."""
