"""What many jobs cost: a model on paper, and runs that it is held to; the numbers of `docs/scale.md` come from here."""
