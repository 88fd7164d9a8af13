"""How the pages of a JSON API are asked for."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from modelwright.core.spec import Spec


class ApiSpec(Spec):
    """Where the rows lie in an answer, and how the next page is asked for. The next page is, in this order: the link
    that `next` names in the body; the header `Link: <...>; rel="next"`; the token that `next_token` names, sent as
    `token_parameter`; the next `page_parameter`, or `offset_parameter`, until a page has no rows.

    >>> ApiSpec(rows="data.items", token="SHOP_TOKEN", page_parameter="page").first_page
    1
    """

    rows: str = Field(
        "", description="dotted path to the list of rows in an answer; the answer itself, or its only list"
    )
    token: str | None = Field(None, description="name of the environment variable that holds the token")
    token_header: str = Field("Authorization", description="header that carries the token")
    token_form: str = Field("Bearer {}", description="how the header says it; {} is the token")
    parameters: Mapping[str, str | int | float] = Field({}, description="query parameters of every request")
    headers: Mapping[str, str] = Field({}, description="headers of every request; secrets belong in `token`")
    next: str | None = Field(None, description="dotted path to the next page's address in an answer")
    next_token: str | None = Field(None, description="dotted path to a token of the next page in an answer")
    token_parameter: str = Field("cursor", description="query parameter that takes the next page's token")
    page_parameter: str | None = Field(None, description="query parameter of the page's number")
    first_page: int = Field(1, ge=0, description="number of the first page")
    offset_parameter: str | None = Field(None, description="query parameter of how many rows come before the page")
    size_parameter: str | None = Field(None, description="query parameter of how many rows a page has")
    page_rows: int = Field(100, gt=0, description="rows asked for a page, where there is a parameter for it")
    since_parameter: str | None = Field(None, description="query parameter that takes the last value of `cursor`")
    pause_s: float = Field(0.0, ge=0, description="time between two requests")
    max_pages: int = Field(100_000, gt=0, description="most pages of one collection")

    @model_validator(mode="after")
    def _one_way_on(self) -> ApiSpec:
        ways = [self.next, self.next_token, self.page_parameter, self.offset_parameter]
        if sum(way is not None for way in ways) > 1:
            raise ValueError(
                "say one way to the next page: `next`, `next_token`, `page_parameter` or `offset_parameter`"
            )
        if "{}" not in self.token_form:
            raise ValueError("`token_form` needs {} where the token goes")
        return self
