"""The way to BigQuery: whose `credentials`, over which `connections`, and what its errors mean."""
