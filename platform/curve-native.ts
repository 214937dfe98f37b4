import { type Curve, createCurve } from './curve.ts'

/** What we use of koffi, which is optional. */
interface Ffi {
  load(path: string): { func(definition: string): Call; symbol(name: string): unknown }
}
type Call = (...args: unknown[]) => unknown

/** libtool's numbers of libsecp256k1 from 0.2 on, newest first; 0 took one argument less and is not tried. */
const VERSIONS = [6, 5, 4, 3, 2, 1]

const NAMES: Partial<Record<NodeJS.Platform, (version: number) => string[]>> = {
  darwin: version => ['', '/opt/homebrew/lib/', '/usr/local/lib/'].map(at => `${at}libsecp256k1.${version}.dylib`),
  win32: version => [`libsecp256k1-${version}.dll`],
}
const elsewhere = (version: number) => [`libsecp256k1.so.${version}`]

/** Keys kept in the library's form, about 200 bytes each. */
const KEPT_KEYS = 4_096

/** SECP256K1_CONTEXT_NONE: enough to verify. */
const NO_FLAGS = 1

/** The system's libsecp256k1 with its schnorrsig module, called through koffi. Rejects if either is missing. */
export async function loadNativeCurve(): Promise<Curve> {
  const ffi = await loadFfi()
  const names = VERSIONS.flatMap(NAMES[process.platform] ?? elsewhere)
  for (const name of names) {
    const library = open(ffi, name)
    if (library !== undefined) return createCurve(name, bind(library))
  }
  throw new Error('libsecp256k1 0.2 or newer is not installed (Debian and Ubuntu: apt install libsecp256k1-1, or -2)')
}

async function loadFfi(): Promise<Ffi> {
  try {
    const { default: ffi } = await import('koffi')
    return ffi
  } catch (cause) {
    throw new Error('the optional package koffi is not installed, or has no build for this system', { cause })
  }
}

function open(ffi: Ffi, name: string): ReturnType<Ffi['load']> | undefined {
  try {
    return ffi.load(name)
  } catch {
    return undefined
  }
}

function bind(library: ReturnType<Ffi['load']>): Curve['verify'] {
  // 0.2 brought this name; before it `schnorrsig_verify` could have other arguments, and a wrong guess ends the process.
  library.symbol('secp256k1_context_static')
  const createContext = library.func('void *secp256k1_context_create(unsigned int flags)')
  const parse = library.func('int secp256k1_xonly_pubkey_parse(const void *ctx, void *parsed, const void *pubkey)')
  const verify = library.func(
    'int secp256k1_schnorrsig_verify(const void *ctx, const void *sig, const void *msg, size_t length, const void *parsed)',
  )
  const context = createContext(NO_FLAGS)
  const keys = new Map<string, Buffer>()

  /** A key costs a square root to read, a tenth of a verification; authors come again. */
  function parsedKey(pubkey: Uint8Array): Buffer | undefined {
    const name = Buffer.from(pubkey.buffer, pubkey.byteOffset, pubkey.length).toString('latin1')
    const known = keys.get(name)
    if (known !== undefined) return known
    const parsed = Buffer.alloc(64)
    if (parse(context, parsed, pubkey) !== 1) return undefined
    if (keys.size >= KEPT_KEYS) keys.clear()
    keys.set(name, parsed)
    return parsed
  }

  return (sig, message, pubkey) => {
    const parsed = parsedKey(pubkey)
    return parsed !== undefined && verify(context, sig, message, 32, parsed) === 1
  }
}
