"""`python -m local doctor`: what is wrong with an installation of Stopgap, and how to mend it. It changes nothing."""
