// What was taken together on the map, for as long as the page is open: too many ids for an address.

let last = null;

/** Remembers the items inside a lasso, or with null that there is none. */
export function keep(collection, ids) {
  last = ids ? { collection, ids } : null;
}

/** The ids inside the last lasso of a collection, null where there is none. */
export const kept = (collection) => (last?.collection === collection ? last.ids : null);
