# What a release consists of beside the packages and images (docs/developer/releasing.md).

.PHONY: notices
notices: ## Licence texts of everything that is linked into the programs, into target/notices
	@tests/support/packages.sh python3:python3
	@packaging/notices.py
