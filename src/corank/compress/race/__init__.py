"""The search for a network within a budget: what each method would make of it, foretold before any training."""
