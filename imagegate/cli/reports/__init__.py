"""The reports of ``check`` and ``lint`` for CI systems: JUnit, SARIF, GitHub's annotations, GitLab's code quality."""
