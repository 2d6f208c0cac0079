"""The pages of ``docs`` that are made from the code: what they list cannot differ from what there is."""
