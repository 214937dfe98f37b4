// Alone in a module, so that a page which fetches it gets no more than this.
export { schnorr } from '@noble/curves/secp256k1.js'
