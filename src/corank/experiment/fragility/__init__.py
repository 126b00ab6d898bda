"""Why a network is fragile: what it looks at between inputs and other classes, foretold lengths beside found ones."""
