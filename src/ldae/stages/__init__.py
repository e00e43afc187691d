"""One module, one public function, one rule, one subcommand; the only code that joins the rooms."""
