/** The benchmark is plain JavaScript, run as it stands: its modules come without types. */
export const benchModule = (path: string) => import(new URL(`../../bench/${path}`, import.meta.url).href)
