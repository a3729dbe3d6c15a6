"""Commands of the plugin, each imported when it is used."""
