"""``imagegate lint``: findings about policy documents."""
