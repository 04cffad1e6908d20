"""Teaching: train a candidate, put it through the gate, promote it or keep it aside; and go back."""
