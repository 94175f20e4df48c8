/**
 * Seeds under which a fault was found once, and what it was. Each is run on every occasion. A seed is tied to the
 * generators: when those change, so does what it generates, and a new search has to find the fault again.
 */
export const REGRESSION_SEEDS: readonly { readonly seed: number; readonly found: string }[] = [];
