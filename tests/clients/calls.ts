// Calls with the generated TypeScript client, as its user writes them; run by test_clients.py.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { argv: string[] };

function check(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

const client = createClient<paths>({ baseUrl: process.argv[2] });

const page = await client.GET("/api/events", { params: { query: { limit: 2, sortBy: "title" } } });
check(page.data?.events.length === 2, "two events");
const event = page.data.events[0];

const account = { name: "Ada", email: "ada.typescript@example.org", password: "correct horse" };
const registered = await client.POST("/api/auth/register", { body: account });
check(registered.data, "an account");
const headers = { Authorization: `Bearer ${registered.data.accessToken}` };

const booked = await client.POST("/api/bookings", {
  headers,
  body: {
    eventId: event.eventId,
    items: [{ ticketTypeId: event.ticketTypes[0].ticketTypeId, quantity: 2 }],
  },
});
const booking = booked.data?.data.booking;
check(booking?.status === "confirmed", "a confirmed booking");

const refused = await client.POST("/api/bookings", {
  headers,
  body: { eventId: event.eventId, quantity: 1, ticketTypeId: 1 },
});
check(refused.error?.code === "already_booked", "a refusal with its code");

const cancelled = await client.PUT("/api/bookings/{booking_id}/cancel", {
  headers,
  params: { path: { booking_id: booking._id } },
});
check(cancelled.response.status === 200, "a cancelled booking");
