import { DEFAULT_RELAY, type RemoteSigner, type RemoteSignerOptions, remoteSigner } from '../sdk/index.ts'
import type { Context } from './context.ts'
import { UsageError } from './errors.ts'
import { readSecretFile } from './passphrase.ts'
import { qrText } from './qr.ts'
import { escapeLine } from './text.ts'

/** What an agent does with its key. */
const PERMISSIONS = ['sign_event', 'nip44_encrypt', 'nip44_decrypt']

/**
 * How `init` connects to a remote signer, by its token or the other way round. The token, which holds a secret, comes from a file or
 * the terminal, never from the command line.
 */
export async function connectingOf(
  context: Context<'init'>,
  name: string,
  relays: readonly string[] | undefined,
): Promise<(clientKey: Uint8Array) => Promise<RemoteSigner>> {
  const { out } = context
  const how = await (context.options.nostrconnect ? offer(context, name, relays ?? [DEFAULT_RELAY]) : token(context))
  return clientKey =>
    remoteSigner({
      ...how,
      clientKey,
      permissions: PERMISSIONS,
      onAuthUrl: url => out.say(`the signer wants you to agree at ${escapeLine(url)}`),
    })
}

async function token({ options, readSecret }: Context<'init'>): Promise<Pick<RemoteSignerOptions, 'url'>> {
  const file = options['signer-file']
  if (file !== undefined) return { url: readSecretFile(file, "the signer's token") }
  if (readSecret === undefined)
    throw new UsageError(
      "there is no terminal to ask for the signer's token; name a file that holds it with --signer-file or POSTHORN_SIGNER_FILE",
    )
  return { url: await readSecret("the signer's token (bunker://…): ") }
}

async function offer(
  { out }: Context<'init'>,
  name: string,
  relays: readonly string[],
): Promise<Pick<RemoteSignerOptions, 'offer'>> {
  return {
    offer: {
      relays,
      name,
      onUrl(url) {
        out.result(url, { connect: url })
        if (out.interactive) void qrText(url).then(out.say)
        out.say(
          'take this to your signer within five minutes; the program that answers it becomes the signer of this profile',
        )
      },
    },
  }
}
