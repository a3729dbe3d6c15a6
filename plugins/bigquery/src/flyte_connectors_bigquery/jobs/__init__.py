"""BigQuery jobs: their requests (`request`, `settings`) and their states (`states`, `log`)."""
