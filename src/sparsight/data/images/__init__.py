"""Pictures: photographs and the published sets."""
