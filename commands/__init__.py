"""The verbs: one file each; words in, a result out."""
