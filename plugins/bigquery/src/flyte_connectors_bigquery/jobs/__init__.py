"""Jobs as BigQuery sees them: what is asked (`request`, `settings`), what is told (`states`, `log`)."""
