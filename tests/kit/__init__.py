"""How a service is run, asked and measured: what bench, study, chaos and the dashboard's picture share."""
