// The invitation to a team. Its token is kept for this tab while its reader signs in.

import { takeSecret } from "./secrets.js";
import { offer } from "./token_form.js";

const KEPT = "invitation";

const token = takeSecret("token") || sessionStorage.getItem(KEPT);
if (document.getElementById("form")) sessionStorage.removeItem(KEPT);
else if (token) sessionStorage.setItem(KEPT, token);
offer(token);
