from django.http import HttpRequest
from ninja import NinjaAPI

from django_bezant.ninja import Bearer, install

api = NinjaAPI(auth=Bearer("items:read"))
install(api)  # every refusal is the answer of RFC 6750


@api.get("/items")
async def items(request: HttpRequest) -> str:
    return f"items for {request.auth.subject}"
