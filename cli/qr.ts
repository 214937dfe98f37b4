/**
 * A text as a QR code in half blocks, light on dark as a terminal draws it: the quiet zone is part of it, so that a camera finds
 * it on any background.
 */
export async function qrText(text: string): Promise<string> {
  // Loaded by who shows one.
  const { renderUnicodeCompact } = await import('uqr')
  return renderUnicodeCompact(text, { ecc: 'L', border: 2 })
}
