"""Markets as data: one TOML file each, whose comment says what it shows."""
