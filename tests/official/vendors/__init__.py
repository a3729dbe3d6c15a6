"""Jobs of published connectors, hosted here, through their vendors' servers on this machine."""
