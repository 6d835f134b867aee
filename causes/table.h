/* SPDX-License-Identifier: MIT */
/*
 * The catalogue. CAUSE(name, "id", "title", who, code, "enhanced", "text", tell, "user_fix", "admin_fix"); fields: causes.h.
 * The first lines are to the letter those of the design and of Exim, which people search the web for. user_fix has no jargon. No advice
 * ever weakens security.
 */
