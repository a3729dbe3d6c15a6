"""The template, baked from the built wheel of the core, and all that is asked of what comes out."""
