"""bronze → silver → gold: stage, gate, commit."""
