/** Style sheets that a file imports become part of the build. */
declare module '*.css';
