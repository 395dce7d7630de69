from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views import View

from django_bezant import BearerRequest
from django_bezant.decorators import require


@require("items:read")
async def items(request: BearerRequest) -> HttpResponse:
    return HttpResponse(f"items for {request.principal.subject}")


@method_decorator(require("items:write", permission="items.delete"), name="dispatch")
class Clear(View):
    def delete(self, request: BearerRequest) -> HttpResponse:
        return HttpResponse(status=204)
