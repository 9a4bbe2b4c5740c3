"""Components, a file each; each keeps one promise whatever stack composes it."""
