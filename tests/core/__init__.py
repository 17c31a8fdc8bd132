"""What linking means, without a web server: the rules, the codes, the values, the verbs."""
