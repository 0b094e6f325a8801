"""The Greek texts of the mails of notifications: see `texts`."""

MONTHS = (
    *("Ιανουαρίου", "Φεβρουαρίου", "Μαρτίου", "Απριλίου", "Μαΐου", "Ιουνίου", "Ιουλίου"),
    *("Αυγούστου", "Σεπτεμβρίου", "Οκτωβρίου", "Νοεμβρίου", "Δεκεμβρίου"),
)
TEXTS: dict[str, str | tuple[str, str]] = {
    "greeting": "Γεια σας",
    "greeting_by_name": "Γεια σας {name}",
    "tickets": ("{count} εισιτήριο", "{count} εισιτήρια"),
    "event": "«{title}» ({date}, {location})",
    "price": "προς {unit} = {total} {currency}",
    "free": "δωρεάν",
    "deadline": "{day} {month}, {time} UTC",
    "refund": ("Επιστρέφεται {amount} {currency}.", "Επιστρέφονται {amount} {currency}."),
    # Notifications.
    "booking_confirmed.title": "Η κράτηση επιβεβαιώθηκε: {title}",
    "booking_confirmed.message": (
        "Η κράτησή σας {reference} για {tickets} στην εκδήλωση {event} επιβεβαιώθηκε."
    ),
    "booking_cancelled.title": "Η κράτηση ακυρώθηκε: {title}",
    "booking_cancelled.message": (
        "Η κράτησή σας {reference} για {tickets} στην εκδήλωση {event} ακυρώθηκε."
    ),
    "tickets_cancelled.title": ("Ακύρωση εισιτηρίου: {title}", "Ακύρωση εισιτηρίων: {title}"),
    "tickets_cancelled.message": (
        "Από την κράτησή σας {reference} για την εκδήλωση {event} ακυρώθηκε {tickets}· {left}.",
        "Από την κράτησή σας {reference} για την εκδήλωση {event} ακυρώθηκαν {tickets}· {left}.",
    ),
    "tickets_cancelled.left": ("απομένει {count}", "απομένουν {count}"),
    "booking_expired.title": "Η κράτηση έληξε: {title}",
    "booking_expired.message": (
        "Η προθεσμία για να επιβεβαιώσετε την κράτηση {reference} για {tickets} στην εκδήλωση "
        "{event} έληξε· το εισιτήριο είναι ξανά διαθέσιμο.",
        "Η προθεσμία για να επιβεβαιώσετε την κράτηση {reference} για {tickets} στην εκδήλωση "
        "{event} έληξε· τα εισιτήρια είναι ξανά διαθέσιμα.",
    ),
    "payment_refunded.title": "Επιστροφή πληρωμής: {title}",
    "payment_refunded.message": (
        "Η πληρωμή σας για την κράτηση {reference} στην εκδήλωση {event} έφτασε πολύ αργά: το "
        "εισιτήριο δεν ήταν πλέον δεσμευμένο.",
        "Η πληρωμή σας για την κράτηση {reference} στην εκδήλωση {event} έφτασε πολύ αργά: τα "
        "εισιτήρια δεν ήταν πλέον δεσμευμένα.",
    ),
    "waitlist_offer.title": ("Ένα εισιτήριο για εσάς: {title}", "Εισιτήρια για εσάς: {title}"),
    "waitlist_offer.message": (
        "Περιμένατε για την εκδήλωση {event}: σας κρατάμε {tickets} έως {until}. Αποδεχτείτε την "
        "προσφορά πριν από τότε."
    ),
    "waitlist_closed.title": "Η λίστα αναμονής έκλεισε: {title}",
    "waitlist_closed.message": "{reason} Δεν είστε πλέον στη λίστα αναμονής για {awaited}.",
    "waitlist_closed.awaited": "{tickets} ({date}, {location})",
    "waitlist_closed.event_cancelled": "Η εκδήλωση «{title}» δεν θα πραγματοποιηθεί.",
    "waitlist_closed.event_deleted": "Η εκδήλωση «{title}» δεν προσφέρεται πλέον.",
    "waitlist_closed.event_over": "Η εκδήλωση «{title}» ολοκληρώθηκε.",
    "waitlist_closed.entry_over": (
        "Η ημερομηνία της εκδήλωσης «{title}» για την οποία περιμένατε πέρασε."
    ),
    "waitlist_closed.ticket_limit": (
        "Έχετε ήδη όσα εισιτήρια της εκδήλωσης «{title}» επιτρέπεται να έχει ένα άτομο."
    ),
    "event_changed.title": "Η εκδήλωση άλλαξε: {title}",
    "event_changed.message": "Η κράτησή σας {reference} ισχύει πλέον για την εκδήλωση {event}.",
    "event_changed.other_dates": (
        "Έχετε την κράτηση {reference} για την εκδήλωση {event}. Η εκδήλωση πραγματοποιείται "
        "πλέον: {dates}."
    ),
    "event_cancelled.title": "Η εκδήλωση ακυρώθηκε: {title}",
    "event_cancelled.message": (
        "Η εκδήλωση {event} δεν θα πραγματοποιηθεί. Η κράτησή σας {reference} ακυρώθηκε."
    ),
    "low_tickets.title": (
        "Απομένει ένα εισιτήριο: {title}",
        "Απομένουν λίγα εισιτήρια: {title}",
    ),
    "low_tickets.message": (
        "Απομένει μόνο {tickets} για την εκδήλωση {event}, μία από τις αγαπημένες σας.",
        "Απομένουν μόνο {tickets} για την εκδήλωση {event}, μία από τις αγαπημένες σας.",
    ),
    "announcement.introduction": "Μήνυμα από {organizer} προς όσους έχουν κλείσει «{title}»:",
    "webhook_disabled.title": "Το webhook απενεργοποιήθηκε: {host}",
    "webhook_disabled.message": (
        "Το webhook σας στο {host} δεν δέχτηκε μια παράδοση επί τρεις ημέρες, και δεν στέλνεται "
        "πλέον τίποτα σε αυτό. Διορθώστε τον παραλήπτη και ενεργοποιήστε ξανά το webhook: τότε θα "
        "σταλούν όσα εκκρεμούν."
    ),
    "report.daily": "Η ημερήσια αναφορά σας: {first}",
    "report.weekly": "Η εβδομαδιαία αναφορά σας: {first}",
    "report.message": (
        "Οι κρατήσεις των εκδηλώσεών σας από {first} έως {last} (UTC), χωρίς όσες ακυρώθηκαν."
    ),
    # Parts of the mails of notifications.
    "label.reference": "Κωδικός",
    "label.date": "Ημερομηνία",
    "label.place": "Τοποθεσία",
    "label.discount": "Έκπτωση",
    "label.total": "Σύνολο",
    "ticket_codes": "Κωδικοί εισιτηρίων",
    "ticket_code": "Εισιτήριο {number}",
    "link.booking": "Η κράτησή σας",
    "link.event": "Η εκδήλωση",
    "link.api": "Η τεκμηρίωση του API",
    "link.dashboard": "Ο πίνακας ελέγχου",
    "unsubscribe.organizer": "Να μη λαμβάνω πια ανακοινώσεις αυτού του διοργανωτή με email",
    "unsubscribe.all": "Να μη λαμβάνω πια ανακοινώσεις με email",
    "report.event": "Εκδήλωση",
    "report.booked": "Κρατήσεις",
    "report.tickets": "Εισιτήρια",
    "report.gross": "Μικτά",
    "report.discount": "Έκπτωση",
    "report.ended": "Ακυρώσεις και λήξεις",
    "report.together": "Σύνολο",
    "report.money": "Χρήματα που κινήθηκαν σε αυτό το διάστημα:",
    "report.charged": "Χρεώσεις",
    "report.refunded": "Επιστροφές",
    "report.fees": "Προμήθειες",
    "report.net": "Καθαρά, {currency}",
    "report.row": "{title}: κρατήσεις {bookings}, {tickets}, {revenue} {currency}",
    "report.row_discount": " ({gross} μείον έκπτωση {discount})",
    "report.row_ended": "· ακυρώθηκαν ή έληξαν {ended}",
    "report.row_money": (
        "· χρήματα: {charged} χρεώσεις, {refunded} επιστροφές, {fees} προμήθειες, {net} καθαρά"
    ),
    # What a reset of the password has ended.
    "ended.sessions": (
        "{count} σύνδεση: όπου είχατε συνδεθεί, και στην εφαρμογή Android",
        "{count} συνδέσεις: όπου είχατε συνδεθεί, και στην εφαρμογή Android",
    ),
    "ended.api_tokens": (
        "{count} API token του λογαριασμού σας",
        "{count} API tokens του λογαριασμού σας",
    ),
    "ended.devices": (
        "{count} συσκευή εισόδου που συνδέσατε",
        "{count} συσκευές εισόδου που συνδέσατε",
    ),
    "ended.pending_email": "μια αλλαγή της διεύθυνσης email σας που δεν είχε επιβεβαιωθεί ακόμη",
    "ended.links": (
        "κάθε σύνδεσμος σε προηγούμενο μήνυμα για τον λογαριασμό σας, εκτός από όσους επαναφέρουν "
        "μια διεύθυνση"
    ),
}
