from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_bezant.drf import BearerAuthentication, requires


class Items(APIView):
    authentication_classes = (BearerAuthentication,)
    permission_classes = (requires("items:read", write="items:write"),)

    def get(self, request: Request) -> Response:
        return Response([f"items for {request.auth.subject}"])
